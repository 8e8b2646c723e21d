import type { Kit } from '../kit/kit.ts';
import { addAuditTrail } from './audit.ts';
import { addProjections } from './projections.ts';

/** What concerns the server as a whole. */
export const addServer = ({ builder, addConnection }: Kit): void => {
  addAuditTrail(builder, addConnection);
  addProjections(builder);
};
