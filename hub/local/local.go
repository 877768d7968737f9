// Package local is what kiosk and its child fetch share on one machine: who the
// machine is, the folder in which published files arrive, and what the two tell
// each other. Fetch alone speaks with the network; kiosk believes nothing of what
// it brings before it has verified it itself.
package local

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// What lies where in a kiosk's data folder.
const (
	deviceDir  = "device"
	keyFile    = "key.pem"
	deviceFile = "device.json"
	PublicDir  = "public"   // published files that came, laid out as on the hub
	PartDir    = "arriving" // files on their way
)

// ErrNotEnrolled is returned where a machine belongs to no hub.
var ErrNotEnrolled = errors.New("this machine is not enrolled with a hub")

// Identity is who a machine is to its hub.
type Identity struct {
	Hub         string        `json:"hub"` // URL of the hub's door for kiosks
	Device      string        `json:"device"`
	Certificate []byte        `json:"certificate"` // DER
	Authority   []byte        `json:"authority"`   // of hub and devices, DER
	Root        []byte        `json:"root"`        // of trust, as it was at enrolment
	Assignment  feed.Envelope `json:"assignment"`
	Enrolled    time.Time     `json:"enrolled"`

	Key ed25519.PrivateKey `json:"-"`
}

// Key reads the machine's key, or makes it: once, on this machine, from nothing but
// chance.
func Key(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, deviceDir, keyFile)
	file, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("machine's key: %w", err)
		}
		if err := atomicfile.SyncDir(dir); err != nil {
			return nil, err
		}
		if _, file, err = trust.NewKey(""); err != nil {
			return nil, err
		}
		err = atomicfile.Write(path, file, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("machine's key: %w", err)
	}
	key, err := trust.ReadKey(file, "")
	if err != nil {
		return nil, fmt.Errorf("machine's key: %w", err)
	}
	return key, nil
}

// Forget throws the key of a machine away that is nobody's.
func Forget(dir string) error {
	if err := os.Remove(filepath.Join(dir, deviceDir, keyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("machine's key: %w", err)
	}
	return nil
}

// Load reads who the machine is; ErrNotEnrolled if it is nobody yet.
func Load(dir string) (*Identity, error) {
	raw, err := os.ReadFile(filepath.Join(dir, deviceDir, deviceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotEnrolled
	}
	var id Identity
	if err == nil {
		err = json.Unmarshal(raw, &id)
	}
	if err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	if id.Key, err = Key(dir); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		return nil, fmt.Errorf("enrolment: the certificate is damaged: %w", err)
	}
	if public, ok := cert.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(id.Key.Public()) {
		return nil, errors.New("enrolment: the certificate is of another key")
	}
	return &id, nil
}

// Save keeps who the machine is.
func (id *Identity) Save(dir string) error {
	raw, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("enrolment: %w", err)
	}
	return atomicfile.Write(filepath.Join(dir, deviceDir, deviceFile), raw, 0o600)
}

// Class says how urgent a file is. A lower one comes first.
type Class int

// The classes.
const (
	Fallback Class = 1 // default lists, mandatory items, sounds of notices
	Today    Class = 2 // due within 24 hours
	Later    Class = 3 // scheduled, or in a list
	Library  Class = 4
)

// File is a file that kiosk wants.
type File struct {
	SHA256 playlist.Hash `json:"sha256"`
	Bytes  int64         `json:"bytes"`
	Class  Class         `json:"class"`
	Due    time.Time     `json:"due,omitzero"`
	Try    int64         `json:"try,omitempty"` // names this arrival; see Want.Settled
}

// Want is what kiosk tells fetch: all of it, each time something changes.
type Want struct {
	Trust   trust.State  `json:"trust"`
	At      time.Time    `json:"at"` // an instant for which metadata is checked, and certificates
	Clock   bool         `json:"clock"`
	Doubt   bool         `json:"doubt,omitempty"` // the clock and the hub's time contradict each other
	Scopes  []string     `json:"scopes,omitempty"`
	Kbit    int          `json:"kbit,omitempty"`
	Hours   string       `json:"hours,omitempty"` // in which files of the classes Later and Library may come
	Zone    string       `json:"zone,omitempty"`
	Files   []File       `json:"files,omitempty"`
	Settled int64        `json:"settled,omitempty"` // the Try of the file that kiosk has dealt with last: taken, or found wrong
	Urgent  bool         `json:"urgent,omitempty"`  // look now
	Report  *feed.Report `json:"report,omitempty"`  // to be delivered
	Plays   *feed.Batch  `json:"plays,omitempty"`   // to be delivered
}

// Progress is what fetch tells kiosk.
type Progress struct {
	Staged     bool             `json:"staged,omitempty"`  // newer metadata and rows lie in the public folder
	File       *File            `json:"file,omitempty"`    // has arrived, whole
	Round      bool             `json:"round,omitempty"`   // looked at everything once
	Online     bool             `json:"online"`            // the hub answered the last question
	HeardAgo   time.Duration    `json:"heard_ago"`         // when it last said anything
	Ping       time.Duration    `json:"ping"`              // how often it says that it is there
	Stream     bool             `json:"stream"`            // and tells at once
	Error      string           `json:"error,omitempty"`   // why not
	Refused    string           `json:"refused,omitempty"` // held or revoked
	Sent       int64            `json:"sent"`              // bytes on the wire, TLS included
	Received   int64            `json:"received"`
	Goodput    float64          `json:"goodput"` // bytes of files a second, lately
	Time       *feed.Envelope   `json:"time,omitempty"`
	Nonce      string           `json:"nonce,omitempty"`
	Took       time.Duration    `json:"took,omitempty"` // between question and answer about the time
	Assignment *feed.Envelope   `json:"assignment,omitempty"`
	Receipt    *feed.Receipt    `json:"receipt,omitempty"`
	Arriving   map[string]int64 `json:"arriving,omitempty"` // bytes held of files on their way
}

// Decode reads what travels between the two.
func Decode[T any](raw []byte) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("kiosk and fetch: %w", err)
	}
	return v, nil
}

// Metadata implements trust.Source.
func (f *Folder) Metadata(_ context.Context, name string, most int64) ([]byte, error) {
	return f.Read("trust/"+name, most)
}

// Folder reads published files below a folder: one that fetch fills, or a stick.
// Nothing outside of it is reached, by whatever name or link.
type Folder struct{ root *os.Root }

// OpenFolder opens a folder of published files.
func OpenFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("folder of published files: %w", err)
	}
	return &Folder{root}, nil
}

// Close closes it.
func (f *Folder) Close() error { return f.root.Close() }

// Open opens a regular file.
func (f *Folder) Open(name string) (*os.File, error) {
	info, err := f.root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return f.root.Open(filepath.FromSlash(name))
}

// Read reads a file of at most so many bytes.
func (f *Folder) Read(name string, most int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return raw, nil
}
