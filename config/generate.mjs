import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, installDependencies, root, runScript } from './project.mjs';

// npm run generate   writes anew what is made from src/config/schema.ts: config/reference.yaml and the JSON Schemas
await runScript(async () => {
  installDependencies();
  build();
  const { referenceYaml } = await import('../dist/config/reference.js');
  const { configSchema, printSchema, rulesSchema } = await import('../dist/config/json-schema.js');
  const made = {
    'reference.yaml': referenceYaml(),
    'tagwarden.schema.json': printSchema(configSchema()),
    'rules.schema.json': printSchema(rulesSchema()),
  };
  for (const [name, text] of Object.entries(made)) writeFileSync(join(root, 'config', name), text);
});
