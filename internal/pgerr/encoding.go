package pgerr

import "fmt"

// Encoding returns why text does not arrive as it was sent with the encodings of a connection and
// of its database, or nil. Go's text is UTF-8. With SQL_ASCII the server converts nothing.
func Encoding(client, server string) error {
	if client == "UTF8" || client == "SQL_ASCII" && (server == "UTF8" || server == "SQL_ASCII") {
		return nil
	}
	return fmt.Errorf("client_encoding is %s and other text than ASCII would be taken for something else; add client_encoding=UTF8 to the DSN", client)
}
