{# No two rows share the keys, and no key is empty. #}
{% test unique_grain(model, keys) %}
    {{ config(fail_calc='coalesce(sum(rows_of_key), 0)') }}
    select
        {{ keys | join(', ') }},
        count(*) as rows_of_key
    from {{ model }}
    group by {{ keys | join(', ') }}
    having count(*) > 1 or {{ keys | join(' is null or ') }} is null
{% endtest %}
