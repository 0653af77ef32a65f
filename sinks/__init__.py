"""ClickHouse: tables, migrations, the sink and the rebuilder."""
