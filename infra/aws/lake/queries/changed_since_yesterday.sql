-- What changed since yesterday
-- Days whose delay is not what the mart said a day ago, because readings came late or the registry was corrected: the
-- table as it is beside the table as it was (time travel; snapshots are kept for a week).
with before as (
    select
        local_date,
        sum(delay_veh_h) as delay_veh_h,
        sum(samples_observed) as samples_observed
    from marts.congestion_daily for timestamp as of (current_timestamp - interval '1' day)
    group by local_date
),

now as (
    select
        local_date,
        sum(delay_veh_h) as delay_veh_h,
        sum(samples_observed) as samples_observed
    from marts.congestion_daily
    group by local_date
)

select
    coalesce(now.local_date, before.local_date) as local_date,
    before.delay_veh_h as delay_veh_h_before,
    now.delay_veh_h as delay_veh_h_now,
    before.samples_observed as samples_observed_before,
    now.samples_observed as samples_observed_now
from now
full outer join before
    on now.local_date = before.local_date
where
    -- Sums of floating point differ in their last digits from one query to the next.
    coalesce(abs(now.delay_veh_h - before.delay_veh_h) > 1e-6, now.delay_veh_h is distinct from before.delay_veh_h)
    or now.samples_observed is distinct from before.samples_observed
order by local_date desc
