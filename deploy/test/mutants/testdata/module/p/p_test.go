package p

import "testing"

func TestP(t *testing.T) {
	if sum(2, 1) != 3 || join("a", "b") != "ab" || !longer(2, 1) || longer(1, 2) {
		t.Fail()
	}
}
