"""Join the Wi-Fi when the board starts, and set its clock. Put your network into the first line."""

import time

import network
import ntptime

NAME, PASSWORD = "my-wifi", "my-password"

wifi = network.WLAN(network.STA_IF)
wifi.active(True)
wifi.connect(NAME, PASSWORD)
for _ in range(20):  # half a second each; the Wi-Fi goes on trying afterwards by itself
    if wifi.isconnected():
        break
    time.sleep_ms(500)
try:
    ntptime.settime()
except OSError:
    print("the clock is not set: readings carry ts_ms 0")
