//! All rules: one file each, with its code, its page of the error manual, and the functions that make its diagnostics.
//!
//! To add a rule: write its file, and name it twice here. Codes are never used again for something else.
//!
//! | codes | are about |
//! |---|---|
//! | SQ00xx | files, YAML, `specql.toml` |
//! | SQ01xx | entities, fields, types |
//! | SQ02xx | actions, steps and schedules |
//! | SQ03xx | expressions |
//! | SQ04xx | `call_service` |
//! | SQ05xx | the service registry |
//! | SQ06xx | migrations |

use super::Rule;

pub mod sq0001_invalid_yaml;
pub mod sq0002_yaml_budget;
pub mod sq0003_duplicate_key;
pub mod sq0004_yaml_feature;
pub mod sq0005_forbidden_character;
pub mod sq0006_ambiguous_scalar;
pub mod sq0007_split_parenthesis;
pub mod sq0008_cut_by_comment;
pub mod sq0009_colon_in_plain;
pub mod sq0010_readers_disagree;
pub mod sq0011_key_not_text;
pub mod sq0012_several_documents;
pub mod sq0020_invalid_settings;
pub mod sq0021_unknown_setting;
pub mod sq0110_unknown_type;
pub mod sq0111_type_syntax;
pub mod sq0112_bad_default;
pub mod sq0131_wrong_shape;
pub mod sq0132_unknown_key;
pub mod sq0133_missing_key;
pub mod sq0134_not_supported;
pub mod sq0135_ignored_key;
pub mod sq0136_invalid_name;
pub mod sq0137_reserved_name;
pub mod sq0138_duplicate_name;
pub mod sq0139_unknown_entity;
pub mod sq0140_unknown_field;
pub mod sq0141_invalid_option;
pub mod sq0142_bad_rename;
pub mod sq0143_body_file;
pub mod sq0144_function_body;
pub mod sq0150_ref_to_tenant;
pub mod sq0151_domain_collision;
pub mod sq0152_unused_domain;
pub mod sq0153_unlisted_schema;
pub mod sq0154_tenants_entity;
pub mod sq0155_key_type;
pub mod sq0201_unknown_step;
pub mod sq0202_wrapper_collision;
pub mod sq0203_action_without_steps;
pub mod sq0204_no_current_row;
pub mod sq0205_missing_value;
pub mod sq0206_already_bound;
pub mod sq0207_call_cycle;
pub mod sq0208_unknown_callable;
pub mod sq0209_call_argument;
pub mod sq0210_no_row_reported;
pub mod sq0211_not_a_list;
pub mod sq0212_return_in_callback;
pub mod sq0213_default_without_effect;
pub mod sq0214_unlocked_row;
pub mod sq0215_counted_without_lock;
pub mod sq0218_misplaced_batches;
pub mod sq0230_cron;
pub mod sq0231_time_zone;
pub mod sq0232_scheduled_action;
pub mod sq0233_scheduled_input;
pub mod sq0234_scheduled_tenant;
pub mod sq0235_catch_up;
pub mod sq0301_expression_syntax;
pub mod sq0302_unknown_name;
pub mod sq0303_type_mismatch;
pub mod sq0304_may_be_null;
pub mod sq0305_unknown_function;
pub mod sq0306_invalid_constant;
pub mod sq0307_untyped_input;
pub mod sq0308_object_shape;
pub mod sq0309_quoted_expression;
pub mod sq0310_unfilled_placeholder;
pub mod sq0311_no_other_rows;
pub mod sq0312_unreadable_pattern;
pub mod sq0313_misplaced_sequence;
pub mod sq0314_similar_sequences;
pub mod sq0401_unknown_service;
pub mod sq0402_unknown_operation;
pub mod sq0403_missing_input;
pub mod sq0404_unknown_input;
pub mod sq0405_input_type;
pub mod sq0406_unknown_output;
pub mod sq0407_call_setting;
pub mod sq0408_list_of_each;
pub mod sq0409_taken_for_another;
pub mod sq0501_unknown_registry_key;
pub mod sq0502_not_implemented;
pub mod sq0503_no_credential;
pub mod sq0504_duplicate_service;
pub mod sq0505_bad_registry_value;
pub mod sq0506_unknown_template_field;
pub mod sq0507_unused_input;
pub mod sq0508_literal_secret;
pub mod sq0509_host_not_allowed;
pub mod sq0510_plaintext;
pub mod sq0511_weaker_environment;
pub mod sq0512_retry_not_idempotent;
pub mod sq0513_no_target;
pub mod sq0514_bad_service_name;
pub mod sq0515_bad_fallback;
pub mod sq0516_handled_in_code;
pub mod sq0601_unreadable_lock;
pub mod sq0602_edited_migration;
pub mod sq0603_missing_migration;
pub mod sq0604_unknown_migration;
pub mod sq0605_open_migration;
pub mod sq0606_outdated_migration;
pub mod sq0607_data_loss;
pub mod sq0608_rows_may_not_fit;
pub mod sq0609_long_lock;
pub mod sq0610_not_worked_out;
pub mod sq0611_open_by_hand;
pub mod sq0612_shared_table;
pub mod sq0613_folder_of_others;

/// Every rule, by code.
pub static ALL: &[&Rule] = &[
    &sq0001_invalid_yaml::RULE,
    &sq0002_yaml_budget::RULE,
    &sq0003_duplicate_key::RULE,
    &sq0004_yaml_feature::RULE,
    &sq0005_forbidden_character::RULE,
    &sq0006_ambiguous_scalar::RULE,
    &sq0007_split_parenthesis::RULE,
    &sq0008_cut_by_comment::RULE,
    &sq0009_colon_in_plain::RULE,
    &sq0010_readers_disagree::RULE,
    &sq0011_key_not_text::RULE,
    &sq0012_several_documents::RULE,
    &sq0020_invalid_settings::RULE,
    &sq0021_unknown_setting::RULE,
    &sq0110_unknown_type::RULE,
    &sq0111_type_syntax::RULE,
    &sq0112_bad_default::RULE,
    &sq0131_wrong_shape::RULE,
    &sq0132_unknown_key::RULE,
    &sq0133_missing_key::RULE,
    &sq0134_not_supported::RULE,
    &sq0135_ignored_key::RULE,
    &sq0136_invalid_name::RULE,
    &sq0137_reserved_name::RULE,
    &sq0138_duplicate_name::RULE,
    &sq0139_unknown_entity::RULE,
    &sq0140_unknown_field::RULE,
    &sq0141_invalid_option::RULE,
    &sq0142_bad_rename::RULE,
    &sq0143_body_file::RULE,
    &sq0144_function_body::RULE,
    &sq0150_ref_to_tenant::RULE,
    &sq0151_domain_collision::RULE,
    &sq0152_unused_domain::RULE,
    &sq0153_unlisted_schema::RULE,
    &sq0154_tenants_entity::RULE,
    &sq0155_key_type::RULE,
    &sq0201_unknown_step::RULE,
    &sq0202_wrapper_collision::RULE,
    &sq0203_action_without_steps::RULE,
    &sq0204_no_current_row::RULE,
    &sq0205_missing_value::RULE,
    &sq0206_already_bound::RULE,
    &sq0207_call_cycle::RULE,
    &sq0208_unknown_callable::RULE,
    &sq0209_call_argument::RULE,
    &sq0210_no_row_reported::RULE,
    &sq0211_not_a_list::RULE,
    &sq0212_return_in_callback::RULE,
    &sq0213_default_without_effect::RULE,
    &sq0214_unlocked_row::RULE,
    &sq0215_counted_without_lock::RULE,
    &sq0218_misplaced_batches::RULE,
    &sq0230_cron::RULE,
    &sq0231_time_zone::RULE,
    &sq0232_scheduled_action::RULE,
    &sq0233_scheduled_input::RULE,
    &sq0234_scheduled_tenant::RULE,
    &sq0235_catch_up::RULE,
    &sq0301_expression_syntax::RULE,
    &sq0302_unknown_name::RULE,
    &sq0303_type_mismatch::RULE,
    &sq0304_may_be_null::RULE,
    &sq0305_unknown_function::RULE,
    &sq0306_invalid_constant::RULE,
    &sq0307_untyped_input::RULE,
    &sq0308_object_shape::RULE,
    &sq0309_quoted_expression::RULE,
    &sq0310_unfilled_placeholder::RULE,
    &sq0311_no_other_rows::RULE,
    &sq0312_unreadable_pattern::RULE,
    &sq0313_misplaced_sequence::RULE,
    &sq0314_similar_sequences::RULE,
    &sq0401_unknown_service::RULE,
    &sq0402_unknown_operation::RULE,
    &sq0403_missing_input::RULE,
    &sq0404_unknown_input::RULE,
    &sq0405_input_type::RULE,
    &sq0406_unknown_output::RULE,
    &sq0407_call_setting::RULE,
    &sq0408_list_of_each::RULE,
    &sq0409_taken_for_another::RULE,
    &sq0501_unknown_registry_key::RULE,
    &sq0502_not_implemented::RULE,
    &sq0503_no_credential::RULE,
    &sq0504_duplicate_service::RULE,
    &sq0505_bad_registry_value::RULE,
    &sq0506_unknown_template_field::RULE,
    &sq0507_unused_input::RULE,
    &sq0508_literal_secret::RULE,
    &sq0509_host_not_allowed::RULE,
    &sq0510_plaintext::RULE,
    &sq0511_weaker_environment::RULE,
    &sq0512_retry_not_idempotent::RULE,
    &sq0513_no_target::RULE,
    &sq0514_bad_service_name::RULE,
    &sq0515_bad_fallback::RULE,
    &sq0516_handled_in_code::RULE,
    &sq0601_unreadable_lock::RULE,
    &sq0602_edited_migration::RULE,
    &sq0603_missing_migration::RULE,
    &sq0604_unknown_migration::RULE,
    &sq0605_open_migration::RULE,
    &sq0606_outdated_migration::RULE,
    &sq0607_data_loss::RULE,
    &sq0608_rows_may_not_fit::RULE,
    &sq0609_long_lock::RULE,
    &sq0610_not_worked_out::RULE,
    &sq0611_open_by_hand::RULE,
    &sq0612_shared_table::RULE,
    &sq0613_folder_of_others::RULE,
];

/// The rule of that code (`SQ0003`) or name (`duplicate-key`).
#[must_use]
pub fn find(code_or_name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.code.eq_ignore_ascii_case(code_or_name) || rule.name == code_or_name)
}

/// The text as a YAML scalar in the quotes that need the fewest escapes, for messages.
fn quote(text: &str) -> String {
    if text.contains('"') && !text.contains('\'') {
        format!("'{text}'")
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_of_this_folder_is_in_the_table_under_its_code_and_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnostics/rules");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "mod.rs")
            .collect();
        let table: BTreeSet<String> =
            ALL.iter().map(|rule| format!("{}_{}.rs", rule.code.to_lowercase(), rule.name.replace('-', "_"))).collect();
        assert_eq!(files, table);
    }

    #[test]
    fn the_table_is_in_order_and_no_code_stands_twice() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_page_shows_a_wrong_and_a_right_example() {
        for rule in ALL {
            assert!(rule.explanation.contains("Wrong:\n```"), "{}", rule.code);
            assert!(rule.explanation.contains("Right:\n```"), "{}", rule.code);
        }
    }
}
