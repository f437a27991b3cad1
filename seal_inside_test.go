package sessions

import (
	"errors"
	"testing"
)

// A Save that waits while the request ends finds its changes taken along, and returns what
// became of them.
func TestASaveThatWaitedReturnsWhatTheLastSaveDid(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	for _, outcome := range []error{nil, lost} {
		s := new(Session)
		s.seal.over, s.seal.outcome = true, outcome
		if err := s.save(t.Context(), program); !errors.Is(err, outcome) {
			t.Errorf("%v, want %v", err, outcome)
		}
	}
	s := new(Session)
	s.sealUp(false)
	if err := s.save(t.Context(), program); !errors.Is(err, ErrTooLate) {
		t.Errorf("without a last save: %v, want ErrTooLate", err)
	}
}
