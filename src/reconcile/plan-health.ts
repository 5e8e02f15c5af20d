import type { Action } from '../model/action.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer, ProbeReport } from '../model/observed.ts';
import type { Reason } from '../model/reason.ts';
import { hold } from './plan-steps.ts';
import type { Planning } from './planning.ts';
import { readinessOf } from './readiness.ts';
import { reportOf } from './readiness-probe.ts';

/**
 * A running container of the right version whose checks fail, its own and nobody else's: restarted when its time has come, and
 * shown until it is well again. When it has no fault there is nothing to do.
 */
export function heal(planning: Planning, service: Service, container: ObservedContainer): void {
  const ailing = planning.observed.ailing.get(container.id);
  if (ailing === undefined) return;
  const { attempts, failing } = ailing;
  const fault = faultOf(planning, service, container);
  const tried = attempts === 0 ? {} : { attempts };
  if (fault === undefined) {
    if (attempts > 0 && isStarting(planning, service, container))
      hold(planning, service, {
        reason: 'Unhealthy',
        message: 'its checks failed, and have not passed since something was done about it',
        attempts,
      });
    return;
  }
  if (service.onUnhealthy === 'ignore') {
    const message = `${fault.message}; left alone, as onUnhealthy is ignore`;
    hold(planning, service, { reason: fault.reason, message });
    return;
  }
  const due = failing?.notBeforeMs ?? Number.POSITIVE_INFINITY;
  if (due > planning.monoMs) {
    const when = failing === undefined ? {} : { untilMs: failing.notBeforeMs, nextTryAt: failing.nextTryAt };
    hold(planning, service, { ...fault, ...when, ...tried });
    return;
  }
  planning.act(remedy(service, container, fault));
}

/**
 * A port that is not reached is published anew by leaving and joining the network: the process goes on, and where the engine
 * cannot publish it (its chains in the firewall are gone) it still does, while a restart would leave it stopped.
 */
function remedy(service: Service, container: ObservedContainer, { reason, message }: Fault): Action {
  const base = {
    lane: service.key,
    blueprint: service.blueprint,
    cause: message,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
  };
  const { network, stopTimeoutS } = service.container;
  if (reason === 'PortUnreachable' && network.mode === 'network')
    return { ...base, kind: 'disconnectNetwork', network: network.name, repairs: true };
  return { ...base, kind: 'restartContainer', timeoutS: stopTimeoutS };
}

interface Fault {
  reason: Reason;
  message: string;
}

function faultOf(planning: Planning, service: Service, container: ObservedContainer): Fault | undefined {
  const { observed } = planning;
  const report = service.probe === undefined ? undefined : reportOf(container, observed.probes);
  if (readinessOf(service, container, observed) === 'unhealthy')
    return { reason: 'Unhealthy', message: faultText(container, report) };
  if (service.probe?.published === true && report?.published?.state === 'unhealthy')
    return { reason: 'PortUnreachable', message: faultText(container, report) };
  return undefined;
}

/** What is wrong, in the check's own words: "health check fails (exit code 1)". */
export function faultText(container: ObservedContainer, report: ProbeReport | undefined): string {
  if (container.health === 'unhealthy') {
    const words = container.detail?.checkOutput;
    return `health check fails${words === undefined ? '' : ` (${words})`}`;
  }
  if (report?.own.state === 'unhealthy') return `probe fails (${report.own.message})`;
  return `published port does not answer although the container does (${report?.published?.message ?? ''})`;
}

function isStarting(planning: Planning, service: Service, container: ObservedContainer): boolean {
  const { observed } = planning;
  if (readinessOf(service, container, observed) === 'starting') return true;
  return (
    service.probe?.published === true && reportOf(container, observed.probes)?.published?.state === 'starting'
  );
}
