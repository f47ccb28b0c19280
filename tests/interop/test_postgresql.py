"""The index in PostgreSQL: the same answers as the reference (and so as SQLite), and the same after whatever breaks."""

from __future__ import annotations

import pytest

from node.index.index import Index
from tests.index.agreement import NETWORK, check
from tests.index.test_answers import (
    test_a_correction_is_found_from_what_it_declares,
    test_a_query_that_takes_too_long_is_given_up,
    test_many_ids_are_looked_up_at_once,
    test_names_are_those_that_occur_each_once_and_in_order,
    test_pages_stay_as_they_were_while_events_arrive,
    test_what_no_database_likes_is_taken_and_found_again,
)
from tests.index.test_follower import (
    test_a_block_twice_or_a_gap_is_refused_and_changes_nothing,
    test_a_process_killed_in_the_middle_of_a_block_leaves_nothing,
    test_an_erasure_leaves_the_extract_and_no_byte,
    test_an_index_made_again_is_the_same_also_under_a_follower,
    test_an_index_of_another_network_is_refused,
    test_another_chain_is_refused,
    test_events_come_as_they_are_recorded,
    test_without_bytes_the_extract_answers_until_they_come,
)
from tests.index.test_hostile import (
    test_a_page_ends_where_its_bytes_are_enough,
    test_names_and_contexts_that_only_erased_bytes_said_are_erased_with_them,
    test_odd_values_and_names_of_queries,
    test_what_a_database_cannot_keep_is_kept_another_way,
)

__all__ = [
    "test_a_correction_is_found_from_what_it_declares",
    "test_a_query_that_takes_too_long_is_given_up",
    "test_many_ids_are_looked_up_at_once",
    "test_names_are_those_that_occur_each_once_and_in_order",
    "test_pages_stay_as_they_were_while_events_arrive",
    "test_what_no_database_likes_is_taken_and_found_again",
    "test_a_page_ends_where_its_bytes_are_enough",
    "test_names_and_contexts_that_only_erased_bytes_said_are_erased_with_them",
    "test_odd_values_and_names_of_queries",
    "test_a_block_twice_or_a_gap_is_refused_and_changes_nothing",
    "test_a_process_killed_in_the_middle_of_a_block_leaves_nothing",
    "test_an_erasure_leaves_the_extract_and_no_byte",
    "test_an_index_made_again_is_the_same_also_under_a_follower",
    "test_an_index_of_another_network_is_refused",
    "test_another_chain_is_refused",
    "test_events_come_as_they_are_recorded",
    "test_what_a_database_cannot_keep_is_kept_another_way",
    "test_without_bytes_the_extract_answers_until_they_come",
]


@pytest.mark.parametrize("seed", range(10))
def test_postgresql_and_the_reference_agree(seed: int, database: str) -> None:
    index = Index.open(database, NETWORK)
    try:
        check(index, seed)
    finally:
        index.close()
