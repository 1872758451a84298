import { type Bike, type Link, useReadings } from "./useReadings";

const LINKS: Record<Link, (gateway: string) => string> = {
  connecting: (gateway) => `Connecting to ${gateway} …`,
  live: (gateway) => `Live from ${gateway}`,
  absent: (gateway) => `Nothing answers at ${gateway}. This page keeps trying.`,
  refused: (gateway) =>
    `The gateway at ${gateway} refuses this page. ` +
    `Start it with SPOKE_CORS_ORIGINS=${location.origin}`,
};

export function App({ gateway }: { gateway: string }) {
  const { link, bikes, error } = useReadings(gateway, "*");
  return (
    <main>
      <h1>Bikes</h1>
      <p role="status" className={link}>
        {error?.message ?? LINKS[link](gateway)}
      </p>
      <ul>
        {[...bikes].sort(byId).map(([id, bike]) => (
          <BikeCard key={id} id={id} bike={bike} />
        ))}
      </ul>
    </main>
  );
}

function byId([one]: [string, Bike], [other]: [string, Bike]) {
  return one.localeCompare(other);
}

function BikeCard({ id, bike }: { id: string; bike: Bike }) {
  const { reading, online, count, lost } = bike;
  return (
    <li className={online ? "online" : "offline"}>
      <h2>{id}</h2>
      <p className="speed">
        {reading === null ? "–" : reading.speed_kmh.toFixed(1)} <span>km/h</span>
      </p>
      <p>
        {online ? "online" : "offline"}
        {reading?.battery_pct !== undefined && ` · battery ${Math.round(reading.battery_pct)} %`}
      </p>
      <p className="tally">
        {count} readings, {lost} lost
      </p>
    </li>
  );
}
