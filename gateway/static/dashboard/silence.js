/** When a bike counts as silent, for charts, sparklines and arrival statistics alike. Pure. */

export const MISSED_INTERVALS = 2.5; // one reading may be late; after this long, two are missing

/** Charts and sparklines end this long after a silent bike's last reading: the end stays visible. */
export const END_AFTER_S = 10;
