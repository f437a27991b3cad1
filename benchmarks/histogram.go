package main

import (
	"math/bits"
	"time"
)

// A histogram keeps times to 3 % without allocating anything while it is filled.
type histogram struct {
	counts [fine * 40]uint32
	n      int64
}

const fine = 32 // steps for each doubling

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len64(fine)
	return min(fine*(shift+1)+int(v>>shift)-fine, fine*40-1)
}

// value is the least time of a bucket.
func value(bucket int) time.Duration {
	if bucket < fine {
		return time.Duration(bucket)
	}
	shift := bucket/fine - 1
	return time.Duration(fine+bucket%fine) << shift
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
}

// quantile returns the time that a share q of all is not above.
func (h *histogram) quantile(q float64) time.Duration {
	rest := int64(float64(h.n) * q)
	for i, n := range h.counts {
		if rest -= int64(n); rest < 0 {
			return value(i)
		}
	}
	return 0
}
