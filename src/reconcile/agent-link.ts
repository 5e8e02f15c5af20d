import type { Link, LinkClass } from '../model/link.ts';
import type { Journal } from './journal.ts';

/** As `Link.confirmRemoval`, and tells of it; empty also when no server is configured. */
export function confirmRemoval(link: Link | undefined, journal: Journal): readonly string[] {
  const names = link?.confirmRemoval() ?? [];
  for (const blueprint of names) journal.add('warn', 'removal confirmed', { blueprint });
  return names;
}

/** As `Link.setLinkClass`, and tells of it; false: no server is configured. */
export function setLinkClass(link: Link | undefined, journal: Journal, linkClass: LinkClass): boolean {
  link?.setLinkClass(linkClass);
  if (link !== undefined) journal.add('info', 'link class set', { detail: linkClass });
  return link !== undefined;
}
