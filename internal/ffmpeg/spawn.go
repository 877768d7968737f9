// Package ffmpeg starts ffmpeg and ffprobe as bounded children: they die with
// the process that started them, open no playlist and no network, and have
// limits on memory and computing.
package ffmpeg

import (
	"fmt"
	"os"
)

// formats are the containers that ffmpeg may open. Playlist formats (hls,
// concat, dash) are not among them: they would play other local files.
const formats = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,mpegtsraw,ogg,flv,asf,h264,hevc,m4v," +
	"mp3,flac,wav,aac,w64,aiff,caf,opus,ac3,gif,ivf"

// InputArgs names an input file so that ffmpeg opens it, and nothing else.
func InputArgs(path string) []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", formats, "-i", "file:" + path}
}

// CheckFile refuses what is not a regular, non-empty file.
func CheckFile(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("media file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("media file %s is not a regular file", path)
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("media file %s is empty", path)
	}
	return info, nil
}
