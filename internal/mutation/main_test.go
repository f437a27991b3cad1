package main

import "testing"

// The table rots unseen otherwise: a line that is rewritten leaves its mutation behind.
func TestTheLinesAreThere(t *testing.T) {
	t.Parallel()
	if err := inPlace("../.."); err != nil {
		t.Error(err)
	}
	if len(mutations) < 40 {
		t.Errorf("%d mutations", len(mutations))
	}
}
