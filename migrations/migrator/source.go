package migrator

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/golang-migrate/migrate/v4/source"

	"github.com/sqlsessions/sessions/migrations"
)

// steps gives golang-migrate the migrations with the caller's names in them.
// Versions count from 1 without gaps; a test sees to it.
type steps []migrations.Step

func (s steps) Open(string) (source.Driver, error) {
	return nil, errors.New("migrator: not opened by URL")
}

func (s steps) Close() error { return nil }

func (s steps) at(version uint) (uint, error) {
	if version < 1 || version > uint(len(s)) {
		return 0, os.ErrNotExist
	}
	return version, nil
}

func (s steps) First() (uint, error)            { return s.at(1) }
func (s steps) Prev(version uint) (uint, error) { return s.at(version - 1) }
func (s steps) Next(version uint) (uint, error) { return s.at(version + 1) }

func (s steps) ReadUp(version uint) (io.ReadCloser, string, error)   { return s.read(version) }
func (s steps) ReadDown(version uint) (io.ReadCloser, string, error) { return s.read(version) }

// read returns no text, which [driver.Run] has from the step itself. golang-migrate
// hands text over in a goroutine, of which those behind a step that fails never end.
func (s steps) read(version uint) (io.ReadCloser, string, error) {
	if _, err := s.at(version); err != nil {
		return nil, "", err
	}
	return io.NopCloser(strings.NewReader("")), s[version-1].Title, nil
}
