-- Unique at the level of segment_id; only segments that were observed without a speed limit.
-- The exact percentile between neighbours (not approx_percentile), so that every run finds the same figure.
with observed as (
    select
        segment_id,
        speed_kmh,
        case
            when day_of_week(local_date) <= 5 then local_hour in ({{ var('off_peak_weekday_hours') | join(', ') }})
            else local_hour in ({{ var('off_peak_weekend_hours') | join(', ') }})
        end as is_off_peak
    from {{ ref('int_segment__5min') }}
    where speed_limit_kmh is null and speed_kmh is not null
),

usable as (
    select
        segment_id,
        speed_kmh,
        is_off_peak,
        bool_or(is_off_peak) over (partition by segment_id) as has_off_peak
    from observed
),

ranked as (
    select
        segment_id,
        speed_kmh,
        has_off_peak,
        row_number() over (partition by segment_id order by speed_kmh) as rank_from_1,
        {{ var('free_flow_percentile') }} * (count(*) over (partition by segment_id) - 1e0) as position_from_0,
        count(*) over (partition by segment_id) as intervals
    from usable
    where is_off_peak or not has_off_peak
)

select
    segment_id,
    -- Weighted by how near each of the two neighbours is to the percentile's position.
    {{ exact_sum('speed_kmh * (1 - abs(rank_from_1 - 1 - position_from_0))') }} as free_flow_kmh,
    case when bool_or(has_off_peak) then 'off_peak' else 'all_hours' end as basis,
    max(intervals) as intervals
from ranked
where abs(rank_from_1 - 1 - position_from_0) < 1
group by segment_id
