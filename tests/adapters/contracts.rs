//! Which behaviour is asked of which adapter: all of all.

/// Makes a module of tests: each behaviour of a contract, on a new environment.
macro_rules! hold {
    ($adapter:ident to $contract:ident: $($behaviour:ident),+ $(,)?) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $behaviour() {
                    let environment = crate::environment::$adapter().await;
                    crate::$contract::$behaviour(&environment.port).await;
                }
            )+
        }
    };
}

macro_rules! objects {
    ($($adapter:ident),+) => {
        $(hold!($adapter to objects:
            an_object_comes_back_as_it_was_created,
            a_key_is_created_once,
            what_could_overwrite_is_refused_and_changes_nothing,
            of_racing_creations_one_wins,
            what_is_not_there_is_none,
            an_object_may_be_empty,
            an_object_may_be_large,
            buckets_are_apart,
            a_listing_goes_over_all_pages_in_order,
            a_listing_begins_behind_a_key_and_is_as_long_as_asked,
            a_prefix_is_a_prefix_and_no_folder,
        );)+
    };
}

macro_rules! cursors {
    ($($adapter:ident),+) => {
        $(hold!($adapter to cursors:
            an_item_is_created_where_the_conditions_allow_it,
            an_item_comes_back_whole,
            every_condition_holds_or_not,
            a_refused_update_changes_nothing,
            all_conditions_must_hold,
            attributes_are_set_added_to_and_removed_at_once,
            streams_are_apart,
            of_racing_claims_one_wins,
            no_addition_is_lost,
            many_items_are_read_at_once,
        );)+
    };
}

objects!(memory_objects, folder_objects, s3_objects);
cursors!(memory_cursors, folder_cursors, dynamodb_cursors);
