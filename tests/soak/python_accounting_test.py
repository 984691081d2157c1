"""That the accounts of the Python clients can fail: python3 -m unittest tests/soak/python_accounting_test.py"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from python_accounting import Tracker  # noqa: E402


class TrackerTest(unittest.TestCase):
    def setUp(self):
        self.failures = []
        self.tracker = Tracker([{"topic": "a/#", "topics": ["a/b"]}], self.failures.append)
        self.subscribe(5)

    def subscribe(self, since):
        self.tracker.subscribing("a/#")
        self.tracker.subscribed("a/#", since)

    def receive(self, *numbers):
        for n in numbers:
            self.tracker.message({"topic": "a/b", "payload": {"n": n, "s": n * 10, "q": (n - 1) * 10}})

    def test_order_adds_up(self):
        self.receive(1, 2)
        self.tracker.message({"topic": "a/b", "payload": b'\xff{"n":3,"s":30,"q":20}'})
        self.assertEqual(self.failures, [])
        self.assertEqual(self.tracker.behind({"a/b": {"n": 3, "s": 30}}), [])

    def test_gap(self):
        self.receive(1, 2, 4)
        self.assertRegex(self.failures[0], "1 lost between 2 and 4")

    def test_repetition(self):
        self.receive(1, 2, 2)
        self.assertRegex(self.failures[0], "2 came after 2")

    def test_loss_right_after_the_subscription(self):
        self.receive(2)
        self.assertRegex(self.failures[0], "1 lost, sent 5 ms after")

    def test_lacking_end(self):
        self.receive(1, 2)
        self.assertRegex(self.tracker.behind({"a/b": {"n": 3, "s": 30}})[0], "ended at 2 of 3")

    def test_gap_of_a_new_connection_is_counted_apart(self):
        self.receive(1, 2)
        self.tracker.afresh()
        self.subscribe(65)
        self.receive(7, 8)
        self.assertEqual((self.failures, self.tracker.away), ([], 4))

    def test_repetition_over_a_new_connection(self):
        self.receive(1, 2)
        self.tracker.afresh()
        self.subscribe(65)
        self.receive(2)
        self.assertRegex(self.failures[0], "2 came after 2")


if __name__ == "__main__":
    unittest.main()
