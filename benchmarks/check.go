package main

import (
	"context"
	"fmt"
	"net/http"
)

// check makes sure that a contender does what it is measured at.
func (t *entry) check(ctx context.Context) error {
	for _, path := range []string{pathBegin, pathBeginLarge} {
		if err := t.checkFrom(ctx, path); err != nil {
			return fmt.Errorf("benchmarks: %s does not work: %w", t.name, err)
		}
	}
	return nil
}

func (t *entry) checkFrom(ctx context.Context, path string) error {
	b := &browser{header: http.Header{}}
	if _, _, err := b.ask(ctx, t.handler, pathRead); err == nil {
		return fmt.Errorf("a visitor without a session is somebody")
	}
	user, _, err := b.ask(ctx, t.handler, path)
	if err != nil {
		return err
	}
	const n = 20
	for range n {
		if _, _, err := b.ask(ctx, t.handler, pathCounter); err != nil {
			return err
		}
	}
	for _, path := range []string{pathRead, pathRolling} {
		if again, count, err := b.ask(ctx, t.handler, path); err != nil || again != user || count != n {
			return fmt.Errorf("after %d requests that count, %s says %q, %d, %w", n, path, again, count, err)
		}
	}
	old := &browser{header: b.header}
	if _, count, err := b.ask(ctx, t.handler, pathLogin); err != nil || count != n {
		return fmt.Errorf("the login says %d, %w", count, err)
	}
	if b.header.Get("Cookie") == old.header.Get("Cookie") {
		return fmt.Errorf("the login left the cookie as it was")
	}
	if _, _, err := old.ask(ctx, t.handler, pathRead); err == nil {
		return fmt.Errorf("the cookie of before the login is still good")
	}
	if _, count, err := b.ask(ctx, t.handler, pathRead); err != nil || count != n {
		return fmt.Errorf("after the login the session says %d, %w", count, err)
	}
	return nil
}
