package tables

import (
	"maps"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// settings are set with every statement, so that neither a user's profile nor a default that
// changes in the server's next version can change what a statement reads, writes or answers. A
// setting belongs here if one of its values makes a statement of Rollcall read or store something
// else without an error. Limits that fail a statement, and settings that only move work, are left
// to the administrator.
var settings = clickhouse.Settings{
	// Inserts: an acknowledged insert is in the table, with every row, as it was sent.
	"async_insert": 0,
	// repeated inserts are recognized by the identity of events, never by a token
	"deduplicate_insert":                         "disable",
	"deduplicate_insert_select":                  "disable", // likewise
	"insert_null_as_default":                     1,
	"insert_shard_id":                            0,
	"insert_distributed_one_random_shard":        0,
	"input_format_allow_errors_num":              0,
	"input_format_allow_errors_ratio":            0,
	"input_format_null_as_default":               1,
	"input_format_defaults_for_omitted_fields":   1,
	"input_format_force_null_for_omitted_fields": 0,

	// Deletes: an acknowledged delete is done, and nobody reads the deleted rows.
	"alter_sync":               1,
	"mutations_sync":           1,
	"lightweight_deletes_sync": 2,
	"lightweight_delete_mode":  "alter_update",
	"apply_deleted_mask":       1,
	"apply_patch_parts":        1,
	"apply_mutations_on_fly":   0,

	// Migrations: a column has exactly the type in the statement.
	"data_type_default_nullable": 0,
	"flatten_nested":             1,

	// What a statement reads: one state of each table, all of it, and never a cached answer.
	"do_not_merge_across_partitions_select_final": 1, // all copies of a row have one day, so one partition
	"optimize_move_to_prewhere_if_final":          0, // drop copies that lost before any row is filtered
	"apply_prewhere_after_final":                  0,
	"use_skip_indexes_if_final_exact_mode":        1,
	"enable_shared_storage_snapshot_in_query":     1, // one statement sees one state of each table
	// a count must be of that state, too: a count taken from the parts' sizes is of a later one
	"optimize_trivial_count_query":             0,
	"optimize_trivial_approximate_count_query": 0,
	"optimize_use_implicit_projections":        0, // likewise
	"final":                                    0, // a statement that needs FINAL says so
	"additional_table_filters":                 "{}",
	"additional_result_filter":                 "",
	"limit":                                    0,
	"offset":                                   0,
	"partial_result_on_first_cancel":           0,
	"use_query_cache":                          0,
	// it goes by the names of parts, which SYSTEM RESTORE REPLICA gives to other rows
	"use_query_condition_cache":        0,
	"ignore_cold_parts_seconds":        0,
	"enable_parallel_replicas":         0,
	"automatic_parallel_replicas_mode": 0,
	"make_distributed_plan":            0,
	"distributed_group_by_no_merge":    0,

	// The meaning of a statement.
	"compatibility":                             "",
	"dialect":                                   "clickhouse",
	"implicit_table_at_top_level":               "",
	"enable_analyzer":                           1,
	"enable_positional_arguments":               1,
	"prefer_column_name_to_alias":               0,
	"union_default_mode":                        "",
	"join_default_strictness":                   "ALL",
	"join_use_nulls":                            0,
	"any_join_distinct_right_table_keys":        0,
	"join_any_take_last_row":                    0,
	"transform_null_in":                         0,
	"group_by_use_nulls":                        0,
	"aggregate_functions_null_for_empty":        0,
	"empty_result_for_aggregation_by_empty_set": 0,
	"empty_result_for_aggregation_by_constant_keys_on_empty_set": 1,
	"count_distinct_implementation":                              "uniqExact",
	"least_greatest_legacy_null_behavior":                        0,
	"short_circuit_function_evaluation":                          "enable",
	"cast_keep_nullable":                                         0,
	"decimal_check_overflow":                                     1,
	"session_timezone":                                           "UTC",
	"date_time_input_format":                                     "best_effort",
	"cast_string_to_date_time_mode":                              "best_effort",
	"date_time_overflow_behavior":                                "ignore",
	"enable_extended_results_for_datetime_functions":             0,

	// How rows are written.
	// the driver and the export expect a failure where ClickHouse reports it by default
	"http_write_exception_in_output_format":              0,
	"http_response_headers":                              "{}",
	"extremes":                                           0,
	"date_time_output_format":                            "simple",
	"bool_true_representation":                           "true",
	"bool_false_representation":                          "false",
	"output_format_decimal_trailing_zeros":               0,
	"low_cardinality_allow_in_native_format":             1, // the driver reads these types of columns
	"output_format_native_encode_types_in_binary_format": 0, // and their names as text
	"input_format_native_decode_types_in_binary_format":  0,
	"output_format_json_quote_64bit_integers":            0,

	// If a limit of the user's profile is reached, the statement fails. With 'break', the result
	// would be short and look complete.
	"read_overflow_mode":         "throw",
	"read_overflow_mode_leaf":    "throw",
	"result_overflow_mode":       "throw",
	"group_by_overflow_mode":     "throw",
	"sort_overflow_mode":         "throw",
	"distinct_overflow_mode":     "throw",
	"set_overflow_mode":          "throw",
	"join_overflow_mode":         "throw",
	"transfer_overflow_mode":     "throw",
	"timeout_overflow_mode":      "throw",
	"timeout_overflow_mode_leaf": "throw",
}

// Settings returns the settings that are set with every statement.
func Settings() clickhouse.Settings { return maps.Clone(settings) }
