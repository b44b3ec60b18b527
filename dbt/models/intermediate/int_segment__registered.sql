-- Unique at the level of segment_id, valid_from: what the registry holds of a segment while nothing about it or its
-- sensors changes. The versions of the segment alone would not do: a lane's sensor may come later than the segment.
with sensors as (
    select * from {{ ref('stg_reference__sensors') }}
),

changes as (
    select segment_id, valid_from as changed_at from sensors
    union
    select segment_id, valid_to as changed_at from sensors
    union
    select segment_id, valid_from as changed_at from {{ ref('stg_reference__segments') }}
    union
    select segment_id, valid_to as changed_at from {{ ref('stg_reference__segments') }}
),

versions as (
    select
        segment_id,
        changed_at as valid_from,
        lead(changed_at) over (partition by segment_id order by changed_at) as valid_to
    from changes
),

-- Two sensors on one lane see the same vehicles; a sensor without a lane covers something of its own.
lanes as (
    select
        versions.segment_id,
        versions.valid_from,
        versions.valid_to,
        coalesce(cast(sensors.lane as varchar), sensors.sensor_id) as lane_key,
        max(sensors.lane) is null as is_whole_road,
        avg(300e0 / sensors.interval_s) as samples_expected
    from versions
    inner join sensors
        on
            versions.segment_id = sensors.segment_id
            and versions.valid_from >= sensors.valid_from
            and versions.valid_from < sensors.valid_to
    group by 1, 2, 3, 4
),

counted as (
    select
        segment_id,
        valid_from,
        valid_to,
        bool_or(is_whole_road) as has_whole_road,
        count(*) as lanes_with_sensor,
        {{ exact_sum('samples_expected') }} / count(*) as samples_expected_per_lane
    from lanes
    group by 1, 2, 3
)

select
    counted.segment_id,
    counted.valid_from,
    counted.valid_to,
    segments.corridor_id,
    segments.zone_id,
    segments.length_km,
    segments.capacity_veh_h,
    segments.speed_limit_kmh,
    segments.assumed_flow_veh_h,
    case
        when counted.has_whole_road then counted.lanes_with_sensor
        else greatest(coalesce(segments.lanes, 0), counted.lanes_with_sensor)
    end as lanes_expected,
    counted.samples_expected_per_lane * case
        when counted.has_whole_road then counted.lanes_with_sensor
        else greatest(coalesce(segments.lanes, 0), counted.lanes_with_sensor)
    end as samples_expected
from counted
inner join {{ ref('stg_reference__segments') }} as segments
    on
        counted.segment_id = segments.segment_id
        and counted.valid_from >= segments.valid_from
        and counted.valid_from < segments.valid_to
