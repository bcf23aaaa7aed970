const FORMAT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

export function Time({ at, day }: { at: string; day?: boolean }) {
  return <time dateTime={at}>{(day ? DAY : FORMAT).format(new Date(at))}</time>;
}
