"""Real-time alerts: from readings on the stream to one event per change of a segment's congestion.

```
stream of readings, by sensor ─► judge ─► stream of judged readings, by segment ─► track ─► table sensor_state
    table's changes ─► describe ─► event bus           every minute: watch ─► ticks on the second stream, silent zones
```

Devices publish by sensor, so the sensors of a segment may be on different shards of the first stream; the second has
all of a segment on one, in one order. `track` keeps its segments in memory and makes of each record the same,
whenever it reads it: what is lost with a process, the next one reads again from the stream (`replay`). The table gets
one item per change, and one per segment and five minutes, never one per reading; events are put on the bus by a pipe
from the table's own stream, so a function that is killed can neither lose nor double one.

Pure: `congestion_index` (one reading), `machine` (one segment), `anomalies` (one sensor), `judge` and `tracker` (a
batch of the first and of the second function), `items`, `messages`, `episodes` (for the batch twin). Adapters:
`published`, `put_records`, `replay`, `store`, `metrics`; the functions are `*_function`.
"""
