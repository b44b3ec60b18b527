{# Every row that this run recomputed satisfies every condition; an unknown (NULL) condition is no failure. #}
{% test holds(model, conditions, column, grain) %}
    select *
    from {{ model }}
    {{ where_touched(column, grain) }}
    and (
        {%- for condition in conditions %}
        not ({{ condition }}){{ ' or' if not loop.last }}
        {%- endfor %}
    )
{% endtest %}
