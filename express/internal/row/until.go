package row

import "errors"

// UntilNone looks for rows and deletes them, again and again until a look finds none:
// one whose id changes between the two is found by the next.
func UntilNone(pass func() (none bool, err error)) error {
	for range 100 {
		none, err := pass()
		if none || err != nil {
			return err
		}
	}
	return errors.New("there are still rows, whose ids change all the time")
}
