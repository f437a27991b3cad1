package express

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// sign returns the id, a dot and the id's HMAC-SHA-256, as sign of
// cookie-signature does.
func sign(id string, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id))
	return id + "." + base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// unsign returns the id in a signed value and which of the secrets signed it.
// Everything up to the last dot is the id, which may be empty. Each secret
// signs that again and the whole is compared, so only the one spelling that
// sign writes is good. As unsign of cookie-signature does, over all secrets.
func unsign(value string, secrets [][]byte) (id string, which int, ok bool) {
	dot := strings.LastIndexByte(value, '.')
	if dot < 0 {
		return "", 0, false
	}
	id = value[:dot]
	for i, secret := range secrets {
		if hmac.Equal([]byte(sign(id, secret)), []byte(value)) {
			return id, i, true
		}
	}
	return "", 0, false
}
