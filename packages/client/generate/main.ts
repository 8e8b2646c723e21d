import { writeFileSync } from 'node:fs';
import { GENERATED, generate } from './generate.ts';

writeFileSync(GENERATED, await generate());
