/** Readings as CSV (RFC 4180), the same columns as the gateway's. Pure. */

const COLUMNS = [
  ...["v", "device_id", "epoch", "seq", "ts_ms", "speed_kmh", "power_w", "motor_power_w"],
  ...["cadence_rpm", "heart_rate_bpm", "battery_pct", "odometer_km", "gradient_pct", "altitude_m"],
  ...["latitude_deg", "longitude_deg", "temperature_c", "assist", "extra"],
];

/** The text of a file with a header and a line for each reading. */
export function csvOf(readings) {
  const lines = readings.map((reading) => COLUMNS.map((key) => cell(reading[key])).join());
  return [COLUMNS.join(), ...lines, ""].join("\r\n");
}

function cell(value) {
  if (value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
