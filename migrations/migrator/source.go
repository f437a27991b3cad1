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

var _ source.Driver = steps(nil)

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

func (s steps) ReadUp(version uint) (io.ReadCloser, string, error) {
	return s.read(version, func(m migrations.Step) string { return m.Up })
}

func (s steps) ReadDown(version uint) (io.ReadCloser, string, error) {
	return s.read(version, func(m migrations.Step) string { return m.Down })
}

func (s steps) read(version uint, text func(migrations.Step) string) (io.ReadCloser, string, error) {
	if _, err := s.at(version); err != nil {
		return nil, "", err
	}
	step := s[version-1]
	return io.NopCloser(strings.NewReader(text(step))), step.Title, nil
}
