{# Segments whose estimated free-flow speed is not the one that the marts were built with: all their hours have to be
   recomputed. What the marts were built with is in int_segment__free_flow_used, which is written after all of them,
   so that a run that broke off in between is caught up by the next. It is read by name, not by ref, because it
   depends on the marts in turn. `estimated` is the relation of int_segment__free_flow. Returns the query, or none where
   nothing differs. #}
{% macro free_flow_changes(estimated) %}
    {% if execute %}
        {% set used = adapter.get_relation(
            database=this.database, schema=this.schema, identifier='int_segment__free_flow_used'
        ) %}
        {% set query %}
            select coalesce(estimated.segment_id, used.segment_id) as segment_id
            from {{ estimated }} as estimated
            full outer join {{ used if used else '(select * from ' ~ estimated ~ ' where false)' }} as used
                on estimated.segment_id = used.segment_id
            where estimated.free_flow_kmh is distinct from used.free_flow_kmh
        {% endset %}
        {% if run_query('select count(*) from (' ~ query ~ ')').rows[0][0] | int > 0 %}
            {{ return(query) }}
        {% endif %}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
