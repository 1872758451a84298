/** Types of spoke.js. Sections 1, 3 and 4 of docs/protocol.md describe the data of the events. */

/** A position after a reading: `"<epoch>-<seq>"`. `"0-0"` is before everything. */
export type Cursor = `${number}-${number}`;

export interface Reading {
  v: 1;
  device_id: string;
  epoch: number;
  seq: number;
  /** The time of measurement, in ms since 1970 UTC. */
  ts_ms: number;
  speed_kmh: number;
  power_w?: number;
  motor_power_w?: number;
  cadence_rpm?: number;
  heart_rate_bpm?: number;
  battery_pct?: number;
  odometer_km?: number;
  gradient_pct?: number;
  altitude_m?: number;
  latitude_deg?: number;
  longitude_deg?: number;
  temperature_c?: number;
  assist?: "off" | "eco" | "tour" | "sport" | "turbo";
  extra?: Record<string, number | boolean | string>;
}

/** Lost readings; both bounds are exclusive. */
export interface Gap {
  device_id: string;
  after: Cursor | null;
  before: Cursor;
  /** The number of lost readings; null if it cannot be known. */
  lost: number | null;
  reason:
    | "overrun"
    | "expired"
    | "not_recovered"
    | "invalid"
    | "epoch"
    | "epoch_back"
    | "unknown_cursor"
    | "evicted";
}

export interface DeviceStatus {
  device_id: string;
  online: boolean;
  epoch: number;
  last_seq: number;
  ts_ms: number;
  model?: string;
  /** The time between two readings that the bike states, in ms: 0 if irregular, absent if unknown. */
  interval_ms?: number;
  /** Why the gateway refuses readings of this bike; absent if it refuses none. */
  refused?:
    | "old_epoch"
    | "future_epoch"
    | "far_seq"
    | "unsupported_version"
    | "invalid"
    | "seq_back"
    | "conflict";
}

/** The answer of `/api/v1/devices/<id>/readings`. */
export interface Page {
  device_id: string;
  readings: Reading[];
  gaps: Gap[];
  /** The `since` for the next page. */
  next: Cursor;
  held_from: Cursor;
  /** The bike did not answer in time, and readings may be missing: ask again. Absent if complete. */
  incomplete?: true;
}

/** What happened to the readings of a bike: `counts` in the answer of `/api/v1/devices/<id>`. */
export interface Counts {
  /** Readings taken in, live or after a request. */
  readings: number;
  /** Readings from before the gateway first heard the bike. */
  backfilled: number;
  /** Readings that came again, and were dropped. */
  repeats: number;
  /** Readings that the gaps lack, as far as that is known. */
  lost: number;
  /** Gaps in the readings, by reason. */
  gaps: Record<string, number>;
  /** Other messages refused or dropped, by reason. */
  refused: Record<string, number>;
}

/** The start of a bike's stream, and the bike's latest reading. */
export interface Start {
  online: boolean;
  cursor: Cursor;
  latest: Reading | null;
}

export interface Refusal {
  code:
    | "bad_request"
    | "bad_cursor"
    | "unknown_device"
    | "too_many_devices"
    | "rate_limited"
    | "unauthorized"
    | "forbidden"
    | "not_found"
    | "unavailable"
    | "internal";
  message: string;
}

/** The data of the event `announcement`: words of the operator. */
export interface Announcement {
  message: string;
}

export interface FollowOptions {
  /** Ids, or `"*"` for all bikes. */
  devices: readonly string[] | "*";
  /** Start after these cursors; without them from now on, or where this tab was before a reload. */
  since?: Readonly<Record<string, Cursor>>;
  /** Whether a reload continues where the page was. Default: only without `since`. */
  keep?: boolean;
  /** Only the newest reading of each bike, at most this often, without gaps. */
  maxRateHz?: number;
  onReading?: (reading: Reading) => void;
  onGap?: (gap: Gap) => void;
  onStatus?: (status: DeviceStatus) => void;
  /** Called with the answer after each connect. */
  onSubscribed?: (devices: Record<string, Start>) => void;
  onError?: (error: Refusal) => void;
  /** When to repeat a request without an answer; default 5,000. */
  ackTimeoutMs?: number;
  /** When to repeat a refused request that may succeed later; default 2,000. */
  askAgainMs?: number;
}

export interface Following {
  /** The cursor of each bike. */
  readonly cursors: Map<string, Cursor>;
  stop(): void;
}

/** The methods of a socket that `follow` uses; a stock socket of socket.io-client has them. */
export interface StockSocket {
  readonly connected: boolean;
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  emit(event: string, ...args: any[]): unknown;
  timeout(ms: number): { emit(event: string, ...args: any[]): unknown };
}

/**
 * The arguments of `io` for the gateway at a URL, which may have a path and may be relative to the
 * page: `io(...gatewayAt("https://example.org/spoke/"))`.
 */
export function gatewayAt<Options extends object>(
  url: string | URL,
  options?: Options,
): [origin: string, options: Options & { path: string }];

/** Subscribe now and after each reconnect; continue after the last reading. */
export function follow(socket: StockSocket, options: FollowOptions): Following;
