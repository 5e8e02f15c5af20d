import assert from 'node:assert/strict';
import type { Call } from '../../../src/colony/call.ts';
import * as blueprints from '../../../src/colony/messages-blueprint.ts';
import * as executors from '../../../src/colony/messages-executor.ts';
import * as processes from '../../../src/colony/messages-process.ts';
import * as server from '../../../src/colony/messages-server.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';

/** Members that recorded messages have; each message has some of them. */
interface Sent {
  colonyname: string;
  namespace: string;
  name: string;
  kind: string;
  locationname: string;
  blueprintname: string;
  status: JsonObject;
  timeout: number;
  availablecpu: string;
  availablemem: string;
  processid: string;
  out: readonly unknown[];
  errors: readonly string[];
  message: string;
  attribute: {
    targetid: string;
    targetcolonyname: string;
    attributetype: number;
    key: string;
    value: string;
  };
  attributeid: string;
  state: number;
  executortype: string;
  count: number;
  since: number;
  latest: boolean;
  seconds: number;
  executorid: string;
  executorname: string;
  executor: {
    executorid: string;
    executortype: string;
    executorname: string;
    colonyname: string;
    locationname: string;
    capabilities?: executors.Capabilities;
  };
  capabilities: executors.Capabilities;
  fun: {
    executorname: string;
    executortype?: string;
    colonyname: string;
    funcname: string;
    description?: string;
    args?: readonly { name: string; type: string; required: boolean }[];
  };
  functionid: string;
}

const STATES = ['waiting', 'running', 'success', 'failed', 'cancelled'] as const;
const ATTRIBUTES = ['in', 'out', 'error', 'env'] as const;

const BUILDERS: Record<string, (sent: Sent) => Call<unknown>> = {
  assignprocessmsg: (sent) =>
    processes.assign(sent.colonyname, sent.timeout, { cpu: sent.availablecpu, mem: sent.availablemem }),
  closesuccessfulmsg: (sent) => processes.closeSuccessful(sent.processid, sent.out),
  closefailedmsg: (sent) => processes.closeFailed(sent.processid, sent.errors),
  setoutputmsg: (sent) => processes.setOutput(sent.processid, sent.out),
  addlogmsg: (sent) => processes.addLog(sent.processid, sent.message),
  addattributemsg: ({ attribute }) =>
    processes.addAttribute(attribute.targetcolonyname, attribute.targetid, {
      type: ATTRIBUTES[attribute.attributetype] ?? 'in',
      key: attribute.key,
      value: attribute.value,
    }),
  getattributemsg: (sent) => processes.getAttribute(sent.attributeid),
  getprocessmsg: (sent) => processes.getProcess(sent.processid),
  getprocessesmsg: (sent) =>
    processes.getProcesses(sent.colonyname, {
      state: STATES[sent.state] ?? 'waiting',
      executorType: sent.executortype,
      count: sent.count,
    }),
  getprocesshistmsg: (sent) =>
    processes.getProcessHistory(sent.colonyname, {
      executorId: sent.executorid,
      seconds: sent.seconds,
      state: STATES[sent.state] ?? 'waiting',
    }),
  addexecutormsg: ({ executor }) =>
    executors.addExecutor({
      id: executor.executorid,
      type: executor.executortype,
      name: executor.executorname,
      colony: executor.colonyname,
      location: executor.locationname,
      ...(executor.capabilities === undefined ? {} : { capabilities: executor.capabilities }),
    }),
  approveexecutormsg: (sent) => executors.approveExecutor(sent.colonyname, sent.executorname),
  removeexecutormsg: (sent) => executors.removeExecutor(sent.colonyname, sent.executorname),
  getexecutormsg: (sent) => executors.getExecutor(sent.colonyname, sent.executorname),
  getexecutorbyidmsg: (sent) => executors.getExecutorById(sent.colonyname, sent.executorid),
  getexecutorsmsg: (sent) => executors.getExecutors(sent.colonyname),
  updateexecutormsg: (sent) =>
    executors.updateExecutor(sent.colonyname, sent.executorname, sent.capabilities),
  changeexecutoridmsg: (sent) => executors.changeExecutorId(sent.colonyname, sent.executorid),
  addfunctionmsg: ({ fun }) =>
    executors.addFunction({
      executorName: fun.executorname,
      colony: fun.colonyname,
      name: fun.funcname,
      ...(fun.executortype === undefined ? {} : { executorType: fun.executortype }),
      ...(fun.description === undefined ? {} : { description: fun.description }),
      ...(fun.args === undefined ? {} : { args: fun.args }),
    }),
  getfunctionsmsg: (sent) => executors.getFunctions(sent.colonyname, sent.executorname),
  removefunctionmsg: (sent) => executors.removeFunction(sent.functionid),
  addexecutorlogmsg: (sent) => executors.addExecutorLog(sent.colonyname, sent.executorname, sent.message),
  getlogsmsg: (sent) =>
    executors.getLogs(sent.colonyname, {
      processId: sent.processid,
      executorName: sent.executorname,
      count: sent.count,
      sinceNs: sent.since,
      latest: sent.latest,
    }),
  getblueprintmsg: (sent) => blueprints.getBlueprint(sent.namespace, sent.name),
  getblueprintsmsg: (sent) =>
    blueprints.getBlueprints(sent.namespace, { kind: sent.kind, location: sent.locationname }),
  updateblueprintstatusmsg: (sent) =>
    blueprints.updateBlueprintStatus(sent.colonyname, sent.blueprintname, sent.status),
  getblueprintdefinitionmsg: (sent) => blueprints.getDefinition(sent.colonyname, sent.name),
  getblueprintdefinitionsmsg: (sent) => blueprints.getDefinitions(sent.colonyname),
  getpausestatusmsg: (sent) => server.getPauseStatus(sent.colonyname),
  getserverinfomsg: () => server.getServerInfo(),
  versionmsg: () => server.getVersion(),
  // Sent only to see how an unknown type is answered.
  nosuchmsg: () => ({ type: 'nosuchmsg', message: {}, purpose: 'info', decode: (payload) => payload }),
};

/** Our call for a recorded message. */
export function callOf(type: string, sent: unknown): Call<unknown> {
  const build = BUILDERS[type] ?? assert.fail(`the agent has no message ${type}`);
  return build((typeof sent === 'object' && sent !== null ? sent : {}) as Sent);
}
