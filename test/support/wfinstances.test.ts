import { describe, expect, it } from 'vitest';
import { validateWorkflow } from '../../src/commands/workflow/publish-workflow.ts';
import { importWfFormat } from '../../src/domain/workflow/import-wfformat.ts';
import { INSTANCES, instancesMissing, readInstance, titled } from './wfinstances.ts';

describe.skipIf(instancesMissing)(titled('runs of real systems, recorded by WfCommons'), () => {
  it.each(INSTANCES)(
    '$name is imported with its $tasks tasks and $edges edges',
    ({ name, tasks, edges, makespanS }) => {
      const imported = importWfFormat(readInstance(name));
      if (!imported.ok) throw new Error(JSON.stringify(imported.rejection));
      const { definition, recording } = imported.value;
      const { plan } = validateWorkflow(definition).workflow;
      expect({ tasks: plan.size, edges: plan.edges }).toEqual({ tasks, edges });
      expect(Math.round((recording.makespanMs ?? 0) / 1_000)).toBe(makespanS);
      expect(plan.criticalPath.lengthMs).toBeGreaterThan(0);
    },
  );
});
