package driver

import (
	"fmt"
	"io"
	"log/slog"
)

const placeholder = "[verifier]"

// Format prints a placeholder for every verb.
func (Verifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// LogValue returns a placeholder.
func (Verifier) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText returns a placeholder.
func (Verifier) MarshalText() ([]byte, error) { return []byte(placeholder), nil }
