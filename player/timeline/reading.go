package timeline

import (
	"time"
	"unicode"

	"cotmoc/playlist"
)

// Bounds of the time a page of text stays.
const (
	minReading = 6 * time.Second
	maxReading = 90 * time.Second
)

// charsPerMinute are silent reading speeds in letters or characters per
// minute, combining marks not counted. English, Chinese and French are those
// of Trauzettel-Klosinski and Dietz, "Standardized Assessment of Reading
// Performance: The New International Reading Speed Texts IReST" (2012).
// Vietnamese, Lao, Khmer and Thai are estimates of ours, on the slow side.
var charsPerMinute = map[string]int{
	"en": 987, "zh": 255, "fr": 998, "vi": 850, "lo": 600, "km": 600, "th": 600,
}

// standing is how much slower a traveller reads who stands in a hall.
const standing = 0.7

// ReadingTime is how long a page with this text stays, 6 s to 90 s.
func ReadingTime(lang playlist.Language, text string) time.Duration {
	speed, ok := charsPerMinute[lang.Base()]
	if !ok {
		speed = 700
	}
	letters := 0
	for _, r := range text {
		if !unicode.Is(unicode.M, r) && r != 0x200B && r != 0x2060 {
			letters++
		}
	}
	d := 2*time.Second + time.Duration(float64(letters)/(float64(speed)*standing)*float64(time.Minute))
	return min(max(d, minReading), maxReading)
}
