{# No two of the rows that this run recomputed share the keys, and no key is empty. `grain` says what the last key
   holds (instant, hour or date); without it the whole table is looked at. #}
{% test unique_grain(model, keys, grain=none) %}
    {{ config(fail_calc='coalesce(sum(rows_of_key), 0)') }}
    select
        {{ keys | join(', ') }},
        count(*) as rows_of_key
    from {{ model }}
    {{ where_touched(keys[-1], grain) if grain }}
    group by {{ keys | join(', ') }}
    having count(*) > 1 or {{ keys | join(' is null or ') }} is null
{% endtest %}
