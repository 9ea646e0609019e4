//! What every native store must do, run over each of them, and what the durable one adds.

#[path = "store/contract.rs"]
mod contract;
#[path = "store/crash.rs"]
mod crash;
#[path = "store/database_file.rs"]
mod database_file;
#[path = "store/race.rs"]
mod race;
#[path = "store/sample.rs"]
mod sample;
#[path = "store/walk.rs"]
mod walk;

/// Each case as a test of its own, under the name of the store that it ran over.
macro_rules! over_every_store {
    ($($suite:ident::$case:ident,)*) => {
        mod memory_store {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$suite::$case(std::sync::Arc::new(byok_core::store::MemoryStore::new())).await;
            })*
        }

        mod sqlite_store {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let folder = super::sample::Folder::new();
                let store = byok_core::store::SqliteStore::open(&folder.file()).unwrap();
                super::$suite::$case(std::sync::Arc::new(store)).await;
            })*
        }

        mod sqlite_store_in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let store = byok_core::store::SqliteStore::open(":memory:".as_ref()).unwrap();
                super::$suite::$case(std::sync::Arc::new(store)).await;
            })*
        }
    };
}

over_every_store! {
    contract::a_record_comes_back_exactly_as_it_went_in,
    contract::an_id_that_was_never_stored_is_absent,
    contract::ids_that_look_alike_are_different_records,
    contract::set_replaces_a_record_as_a_whole,
    contract::delete_says_whether_there_was_a_record,
    contract::list_holds_one_users_records_of_one_namespace_in_order,
    contract::replace_writes_only_over_the_expected_record,
    contract::many_swaps_at_once_are_answered_each_in_its_place,
    contract::a_closed_store_refuses_every_call_and_closes_again,
    race::concurrent_replaces_lose_no_update,
    race::concurrent_sets_of_many_users_all_arrive,
    race::a_reader_never_sees_a_mixture_of_two_records,
    race::of_many_deletes_of_a_record_one_says_true,
    race::closing_under_load_answers_every_call,
    walk::pages_together_hold_every_record_once,
    walk::a_walk_under_concurrent_writes_sees_every_unchanged_record_once,
    walk::a_cursor_outlives_the_record_it_points_at,
    walk::records_with_the_prefix_are_left_out,
    walk::a_long_walk_past_left_out_records_ends_and_misses_none,
    walk::a_cursor_that_is_not_one_is_refused,
}
