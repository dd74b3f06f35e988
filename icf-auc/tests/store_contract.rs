//! What every store promises, held against each of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "store/administration.rs"]
mod administration;
#[path = "store/fixture.rs"]
mod fixture;
#[path = "store/request_path.rs"]
mod request_path;

use std::sync::Arc;

use icf_auc::store::{Store, memory::MemoryStore};

/// A new store, and what has to live as long as it.
async fn sqlite() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = fixture::open(folder.path(), fixture::KEY_1).await.unwrap();
    (Arc::new(store), folder)
}

async fn memory() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(Some(fixture::POOL.parse().unwrap()))), ())
}

/// One test of each name for each store.
macro_rules! contract {
    ($($suite:ident :: { $($name:ident),* $(,)? })*) => {
        contract!(@store sqlite, $($suite { $($name)* })*);
        contract!(@store memory, $($suite { $($name)* })*);
    };
    (@store $store:ident, $($suite:ident { $($name:ident)* })*) => {
        mod $store {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let (store, _kept) = super::$store().await;
                    super::$suite::$name(store).await;
                }
            )*)*
        }
    };
}

contract! {
    request_path::{
        leases_of_a_batch_are_disjoint_and_ascend,
        leases_never_overlap_under_64_concurrent_committers,
        resynchronisation_leases_above_seq_ms,
        seq_never_wraps,
        an_operation_that_fails_fails_alone,
        snapshots_hold_credential_profile_and_live_registration,
        a_registration_replaces_its_own_kind_only,
        registering_counts_attaches_and_cancels_the_previous_node,
        the_transaction_finds_the_previous_node_itself,
        addresses_are_unique_kept_and_used_again,
        an_exhausted_pool_takes_back_addresses_of_expired_credentials,
        purge_and_deregister_only_from_the_serving_node,
        a_renewal_is_for_the_registration_that_is_still_there,
        operations_of_one_batch_see_each_other,
        queued_messages_stay_until_they_are_answered,
        lapsed_and_revocable_registrations_are_found,
        ind_is_the_same_for_ever_and_32_nodes_have_their_own,
        vectors_are_handed_out_once_oldest_first,
        events_rise_and_tell_what_happened,
    }
    administration::{
        a_credential_comes_back_as_it_was_stored,
        insert_stores_all_or_none,
        sequence_numbers_outlive_the_credential,
        a_profile_lifetime_ends_its_credentials,
        credentials_are_listed_by_prefix_state_profile_and_batch,
        an_update_of_what_has_changed_is_refused,
        an_assigned_address_is_nobody_elses,
        profiles_are_versioned_and_kept_while_used,
        cancel_forgets_registrations_and_queues_once,
        registrations_are_paged_and_found_by_profile,
        batches_audit_log_and_answers_are_kept,
        pools_have_levels_and_refuse_a_rand_twice,
    }
}
