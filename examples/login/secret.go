package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

const (
	secretFile = "sessions-demo.secret"
	secretSize = 32
)

// loadSecret returns what the cookies are signed with: SESSION_SECRET, or else
// the content of a file in folder, which it makes when there is none. With a new
// secret at each start, a restart would sign everybody out.
func loadSecret(folder string) ([]byte, error) {
	if secret := os.Getenv("SESSION_SECRET"); secret != "" {
		if len(secret) < secretSize {
			return nil, fmt.Errorf("SESSION_SECRET has %d bytes; use at least %d random ones, for example from `openssl rand -base64 32`", len(secret), secretSize)
		}
		return []byte(secret), nil
	}
	path := filepath.Join(folder, secretFile)
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = makeSecret(path)
	}
	if err != nil {
		return nil, fmt.Errorf("signing secret: %w", err)
	}
	if secret = bytes.TrimSpace(secret); len(secret) < secretSize {
		return nil, fmt.Errorf("signing secret: %s has %d bytes instead of at least %d; delete it to get a new one", path, len(secret), secretSize)
	}
	slog.Info("cookies are signed with a secret from a file; a real deployment sets SESSION_SECRET", "file", path)
	return secret, nil
}

func makeSecret(path string) ([]byte, error) {
	random := make([]byte, secretSize)
	_, _ = rand.Read(random) // it never fails
	secret := []byte(base64.StdEncoding.EncodeToString(random))

	// O_EXCL: of two programs that start at once, one makes the file.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.Write(append(secret, '\n'))
	return secret, errors.Join(err, file.Close())
}
