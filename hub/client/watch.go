package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settle is how long the network may go on changing before it is looked at.
const settle = 200 * time.Millisecond

// WatchNetwork calls changed whenever a carrier, an address or a route comes or goes, until
// ctx ends. What changes nothing of these is passed over: a wireless card tells of each
// scan.
func WatchNetwork(ctx context.Context, changed func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("watch the network: %w", err)
	}
	groups := unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: uint32(groups)}); err != nil {
		return errors.Join(fmt.Errorf("watch the network: %w", err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "netlink")
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	before := network()
	settled := time.AfterFunc(time.Hour, func() {})
	defer func() { settled.Stop() }()
	buf := make([]byte, 64<<10)
	for {
		_, err := f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, syscall.ENOBUFS) { // more came than there was room for: look
			return fmt.Errorf("watch the network: %w", err)
		}
		settled.Stop()
		settled = time.AfterFunc(settle, func() {
			if now := network(); now != before && ctx.Err() == nil {
				before = now
				changed()
			}
		})
	}
}

// network is the state that matters: interfaces with a carrier, their addresses, and the
// gateways, as text to compare.
func network() string {
	out := ""
	all, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		out += fmt.Sprintf("%s %v ", i.Name, i.Flags&(net.FlagUp|net.FlagRunning))
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			out += a.String() + " "
		}
	}
	for _, file := range []string{"/proc/net/route", "/proc/net/ipv6_route"} {
		out += routes(file)
	}
	return out
}

// routes are the lines of a table of routes without their counters. An IPv4 route begins
// with interface, destination and gateway; an IPv6 one with destination, its prefix,
// source, its prefix, and gateway.
func routes(file string) (out string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		out += strings.Join(fields[:min(len(fields), map[bool]int{true: 5, false: 3}[strings.Contains(file, "6")])], " ") + "\n"
	}
	return out
}
