{# Every row satisfies every condition, in one scan; an unknown (NULL) condition is no failure. #}
{% test holds(model, conditions) %}
    select *
    from {{ model }}
    where
        {%- for condition in conditions %}
        not ({{ condition }}){{ ' or' if not loop.last }}
        {%- endfor %}
{% endtest %}
