-- Of the days that this run recomputed: the samples of a zone's segments, silent ones included, are those of the zone
-- mart, to 1e-9 of their size. Zones are left out on days within which the registry changes one of their segments: one
-- that joined at noon is expected since noon, by its own row, and not at all by the registry at the day's start.
{% set recomputed = in_spans('local_date', pending_event_spans(), 'date') %}

with of_segments as (
    select
        local_date,
        coalesce(zone_id, 'unassigned') as zone_id,
        sum(samples_observed) as samples_observed,
        sum(samples_expected) as samples_expected
    from {{ ref('segment_days') }}
    where {{ recomputed }}
    group by 1, 2
),

of_zones as (
    select local_date, zone_id, samples_observed, samples_expected
    from {{ ref('zone_congestion_daily') }}
    where {{ recomputed }}
),

changes as (
    select coalesce(zone_id, 'unassigned') as zone_id, valid_from as changed_at
    from {{ ref('int_segment__registered') }}
    union
    select coalesce(zone_id, 'unassigned') as zone_id, valid_to as changed_at
    from {{ ref('int_segment__registered') }}
),

changed_zones as (
    select distinct of_zones.local_date, of_zones.zone_id
    from of_zones
    inner join changes
        on
            of_zones.zone_id = changes.zone_id
            and changes.changed_at > {{ day_start('of_zones.local_date') }}
            and changes.changed_at < {{ day_start("date_add('day', 1, of_zones.local_date)") }}
)

select of_zones.local_date, of_zones.zone_id
from of_zones
left join of_segments
    on of_zones.local_date = of_segments.local_date and of_zones.zone_id = of_segments.zone_id
left join changed_zones
    on of_zones.local_date = changed_zones.local_date and of_zones.zone_id = changed_zones.zone_id
where
    changed_zones.zone_id is null
    and (
        of_segments.zone_id is null
        {%- for samples in ['samples_observed', 'samples_expected'] %}
        or abs(of_segments.{{ samples }} - of_zones.{{ samples }}) > 1e-9 * greatest(of_zones.{{ samples }}, 1e0)
        {%- endfor %}
    )
