{# Of the rows that this run recomputed, no two share the keys, no key is empty, and each satisfies every condition
   (an unknown, NULL, condition is no failure): one scan for all. `grain` says what the last key holds: instant, hour
   or date; without it the whole table is looked at. #}
{% test is_sound(model, keys, grain=none, conditions=[]) %}
    select *
    from (
        select
            *,
            count(*) over (partition by {{ keys | join(', ') }}) as rows_of_key
        from {{ model }}
        {{ where_touched(keys[-1], grain) if grain }}
    )
    where
        rows_of_key > 1
        {%- for key in keys %}
        or {{ key }} is null
        {%- endfor %}
        {%- for condition in conditions %}
        or not ({{ condition }})
        {%- endfor %}
{% endtest %}
