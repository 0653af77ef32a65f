-- What each column means: docs/energy.md. Every energy is summed exactly in units and rounded once, halves to even.
CREATE OR REPLACE VIEW energy_minutes $on_cluster AS
WITH
    arrayMap(
        units -> toInt64(
            intDiv(units - positiveModulo(units, 263340), 263340)
            + (positiveModulo(units, 263340) > 131670
               OR (positiveModulo(units, 263340) = 131670
                   AND bitAnd(intDiv(units - positiveModulo(units, 263340), 263340), 1) = 1))),
        [units_a, units_b, units_c, greatest(units_net, 0), greatest(-units_net, 0), units_in, units_out]
    ) AS energies
SELECT
    sensor_id,
    minute,
    if(seconds_a = 0, NULL, energies[1]) AS energy_a_mws,
    if(seconds_b = 0, NULL, energies[2]) AS energy_b_mws,
    if(seconds_c = 0, NULL, energies[3]) AS energy_c_mws,
    energies[4] AS import_mws,
    energies[5] AS export_mws,
    energies[6] AS import_arithmetic_mws,
    energies[7] AS export_arithmetic_mws,
    seconds_a,
    seconds_b,
    seconds_c,
    phases,
    seconds,
    seconds / 60 AS coverage,
    version
FROM
(
    SELECT
        sensor_id,
        minute,
        sumIf(energy_units, probe = 1) AS units_a,
        sumIf(energy_units, probe = 2) AS units_b,
        sumIf(energy_units, probe = 3) AS units_c,
        sum(energy_units) AS units_net,
        sum(greatest(energy_units, 0)) AS units_in,
        sum(greatest(-energy_units, 0)) AS units_out,
        sumIf(bitCount(seconds_mask), probe = 1) AS seconds_a,
        sumIf(bitCount(seconds_mask), probe = 2) AS seconds_b,
        sumIf(bitCount(seconds_mask), probe = 3) AS seconds_c,
        toUInt8(count()) AS phases,
        bitCount(groupBitAnd(seconds_mask)) AS seconds,
        max(version) AS version
    FROM minutes_raw FINAL
    GROUP BY sensor_id, minute
)
SETTINGS do_not_merge_across_partitions_select_final = 1;
