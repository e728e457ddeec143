import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, installDependencies, root, runScript } from './project.mjs';

// npm run generate   writes anew what is made from other files: of src/config/schema.ts config/reference.yaml and the JSON
//                    Schemas, that of the values of the Helm chart too; of docs/diagrams/*.dot the pictures
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

  const { chartSchema } = await import('./chart-schema.mjs');
  const chart = join(root, 'deploy/helm/tagwarden');
  const values = readFileSync(join(chart, 'values.yaml'), 'utf8');
  const schemas = { configSchema: configSchema(), rulesSchema: rulesSchema() };
  writeFileSync(join(chart, 'values.schema.json'), printSchema(chartSchema(values, schemas)));

  const { diagrams, drawDiagrams } = await import('./diagrams.mjs');
  for (const [name, svg] of Object.entries(await drawDiagrams())) writeFileSync(join(diagrams, name), svg);
});
