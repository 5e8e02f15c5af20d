import { stat } from 'node:fs/promises';
import { relative, resolve as resolvePath } from 'node:path';
import { EdgeError, errorText } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { printable } from '../base/text.ts';
import { openDirectory, readBlueprintFile } from '../directory/directory.ts';
import { isDefinition } from '../directory/parse.ts';
import { checkGraph } from '../kinds/index.ts';
import { decodeBlueprint } from '../model/blueprint.ts';
import type { DesiredBlueprint } from '../model/desired.ts';
import type { Resolve, SourceDocument } from '../model/ports.ts';
import { duplicateName, type Problem, problemText } from '../model/problem.ts';
import type { Call } from './call.ts';
import { EXIT, type Painter, painterFor, writeJson } from './io.ts';
import { createResolver } from './resolver.ts';

/** One thing that was found. */
export interface Finding extends Problem {
  file: string;
  /** 1-based; absent where it is not known. */
  line?: number;
  /** Blueprint name; absent where the document has none. */
  name?: string;
}

interface Gathered {
  findings: Finding[];
  /** What is for this node, with the place it came from. */
  ours: { desired: DesiredBlueprint; document: SourceDocument }[];
  /** `name in file: why` of what is for others. */
  elsewhere: string[];
  blueprints: number;
}

/** `colonies-edge validate PATH...`: 0 when there is no error, 1 otherwise. Needs neither engine nor agent. */
export async function validate(call: Call): Promise<number> {
  const config = await call.config();
  const { io } = call;
  const resolver = createResolver({
    config,
    env: io.env,
    log: silentLogger,
    storedSlots: async () => [],
    strict: true,
  });
  const resolve = await resolver();
  const gathered: Gathered = { findings: [], ours: [], elsewhere: [], blueprints: 0 };
  const documents: SourceDocument[] = [];
  for (const path of call.args) documents.push(...(await read(resolvePath(io.cwd, path), call, gathered)));
  checkDocuments(documents, resolve, gathered);
  checkTogether(gathered);
  const errors = gathered.findings.filter(({ severity }) => severity === 'error').length;
  if (call.json) {
    const { findings, elsewhere, blueprints } = gathered;
    writeJson(io.out, { valid: errors === 0, blueprints, elsewhere, findings });
  } else writeText(call, gathered, errors);
  return errors === 0 ? EXIT.ok : EXIT.failed;
}

async function read(path: string, call: Call, gathered: Gathered): Promise<readonly SourceDocument[]> {
  const { clock, random, signal } = call.io;
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      throw new EdgeError(`Cannot read ${path}: ${errorText(error)}`, {
        code: 'FILE_UNREADABLE',
        retry: 'permanent',
        target: path,
      });
    },
  );
  if (!isDirectory) {
    const { documents, broken } = await readBlueprintFile(path);
    if (broken !== undefined) gathered.findings.push(finding(broken.problem, broken.file, broken.line));
    const notBlueprints = documents.filter(({ value }) => isDefinition(value));
    for (const { file } of notBlueprints) gathered.findings.push(finding(DEFINITION, file, undefined));
    return documents.filter((document) => !notBlueprints.includes(document));
  }
  const listing = await openDirectory({ path, clock, random, log: silentLogger }).read(signal);
  for (const { file, problem, line } of listing.broken) gathered.findings.push(finding(problem, file, line));
  return listing.documents;
}

const DEFINITION: Problem = {
  severity: 'warning',
  reason: 'SpecWarning',
  path: '',
  message: 'is a blueprint definition, which is for the server; the agent passes it over',
};

function finding(problem: Problem, file: string, line: number | undefined, name?: string): Finding {
  return {
    ...problem,
    file,
    ...(line === undefined ? {} : { line }),
    ...(name === undefined ? {} : { name }),
  };
}

/** A problem where its field stands; for a field that is missing, where the nearest one above it stands. */
function located(problem: Problem, document: SourceDocument, name: string | undefined): Finding {
  let path = problem.path;
  let line = document.lineOf?.(path);
  while (line === undefined && path !== '') {
    path = path.replace(/(?:^|\.)[^.[\]]*$|\[[^\]]*\]$/, '');
    line = document.lineOf?.(path);
  }
  return finding(problem, document.file, line, name);
}

function checkDocuments(documents: readonly SourceDocument[], resolve: Resolve, gathered: Gathered): void {
  const first = new Map<string, SourceDocument>();
  for (const document of documents) {
    const add = (problems: readonly Problem[], name: string | undefined) => {
      for (const problem of problems) gathered.findings.push(located(problem, document, name));
    };
    const origin = { source: 'directory' as const, file: document.file, document: document.document };
    const decoded = decodeBlueprint(document.value, origin);
    gathered.blueprints += 1;
    if (!decoded.ok) {
      add(decoded.problems, decoded.name);
      continue;
    }
    const { name } = decoded.blueprint;
    const other = first.get(name);
    if (other !== undefined) add([duplicateName(name, other.file)], name);
    else first.set(name, document);
    const resolution = resolve(decoded.blueprint);
    if (resolution.result === 'refused') add(resolution.problems, name);
    else if (resolution.result === 'elsewhere')
      gathered.elsewhere.push(`${name} in ${document.file}: ${resolution.why}`);
    else {
      add(resolution.desired.warnings, name);
      if (other === undefined) gathered.ours.push({ desired: resolution.desired, document });
    }
  }
}

/** Cycles, and names, ports and aliases that two blueprints want. A path there begins with the blueprint's name. */
function checkTogether(gathered: Gathered): void {
  for (const problem of checkGraph(gathered.ours.map(({ desired }) => desired))) {
    const [name = '', path = ''] = problem.path.split(': ');
    const owner = gathered.ours.find(({ desired }) => desired.name === name.split('/')[0]);
    if (owner === undefined) gathered.findings.push(finding(problem, '', undefined));
    else gathered.findings.push(located({ ...problem, path }, owner.document, owner.desired.name));
  }
}

function writeText(call: Call, gathered: Gathered, errors: number): void {
  const { out, env, cwd } = call.io;
  const paint = painterFor(out, env);
  const sorted = [...gathered.findings].sort(
    (a, b) => a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0),
  );
  for (const each of sorted) out.write(`${findingText(each, cwd, paint)}\n`);
  for (const line of gathered.elsewhere)
    out.write(`${paint('dim', printable(`not for this node: ${line}`))}\n`);
  const warnings = gathered.findings.length - errors;
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const verdict = `${count(gathered.blueprints, 'blueprint')}, ${count(errors, 'error')}, ${count(warnings, 'warning')}`;
  out.write(`${paint(errors === 0 ? 'green' : 'red', verdict)}\n`);
}

/** `a.json:12: error: c1-db: spec.instances[0].image must be a non-empty string, got 5` */
export function findingText(each: Finding, cwd: string, paint: Painter): string {
  const near = relative(cwd, each.file);
  const file = near === '' || near.startsWith('..') ? each.file : near;
  const place = each.line === undefined ? file : `${file}:${each.line}`;
  const word = paint(each.severity === 'error' ? 'red' : 'yellow', each.severity);
  const name = each.name === undefined ? '' : `${printable(each.name)}: `;
  return `${printable(place)}: ${word}: ${name}${printable(problemText(each))}`;
}
