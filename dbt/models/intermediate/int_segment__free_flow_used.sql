-- Unique at the level of segment_id: the estimates that all marts were last built with (see macro free_flow_changes).
-- depends_on: {{ ref('congestion_hourly') }}
-- depends_on: {{ ref('congestion_daily') }}
-- depends_on: {{ ref('zone_congestion_hourly') }}
-- depends_on: {{ ref('zone_congestion_daily') }}
select
    segment_id,
    free_flow_kmh
from {{ ref('int_segment__free_flow') }}
