/** Types of spoke.js; what the events carry is said in docs/protocol.md, sections 1, 3 and 4. */

/** A position: `"<epoch>-<seq>"`, after that reading. `"0-0"` is before everything. */
export type Cursor = `${number}-${number}`;

export interface Reading {
  v: 1;
  device_id: string;
  epoch: number;
  seq: number;
  /** When it was measured, in ms since 1970 UTC. */
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

/** Readings that will not come; both bounds are exclusive. */
export interface Gap {
  device_id: string;
  after: Cursor | null;
  before: Cursor;
  /** How many; null when that cannot be known. */
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
  /** Between two readings, in ms, as the bike says: 0 when irregular, absent before it said so. */
  interval_ms?: number;
  /** Why readings of this bike are refused; absent when they are not. */
  refused?:
    | "old_epoch"
    | "future_epoch"
    | "far_seq"
    | "unsupported_version"
    | "invalid"
    | "seq_back"
    | "conflict";
}

/** What `/api/v1/devices/<id>/readings` answers. */
export interface Page {
  device_id: string;
  readings: Reading[];
  gaps: Gap[];
  /** The `since` of the page that follows. */
  next: Cursor;
  held_from: Cursor;
  /** More may belong here that could not be had in time: ask again. Absent when it is whole. */
  incomplete?: true;
}

/** Where a bike's stream starts, and what is known of the bike. */
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

export interface FollowOptions {
  /** Ids, or `"*"` for all bikes. */
  devices: readonly string[] | "*";
  /** Start after these; without it from now on, or where this tab was before a reload. */
  since?: Readonly<Record<string, Cursor>>;
  /** Whether a reload goes on where the page was. Default: only without `since`. */
  keep?: boolean;
  /** The newest reading of each bike at most so often, without gaps. */
  maxRateHz?: number;
  onReading?: (reading: Reading) => void;
  onGap?: (gap: Gap) => void;
  onStatus?: (status: DeviceStatus) => void;
  /** Called with the answer at each connect. */
  onSubscribed?: (devices: Record<string, Start>) => void;
  onError?: (error: Refusal) => void;
  /** When a question without an answer is asked again; default 5,000. */
  ackTimeoutMs?: number;
  /** When one that was refused for a reason that passes is asked again; default 2,000. */
  askAgainMs?: number;
}

export interface Following {
  /** Where each bike's stream is. */
  readonly cursors: Map<string, Cursor>;
  stop(): void;
}

/** What `follow` needs of a socket; a stock one of socket.io-client has it. */
export interface StockSocket {
  readonly connected: boolean;
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  emit(event: string, ...args: any[]): unknown;
  timeout(ms: number): { emit(event: string, ...args: any[]): unknown };
}

/** Subscribe now and after each reconnect, there from where the last connection ended. */
export function follow(socket: StockSocket, options: FollowOptions): Following;
