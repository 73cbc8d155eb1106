package Bench::Awake;

# Keeps idle cores polling while something is measured.  On a virtual machine
# a core that halts is left to other guests, and waking it takes a call of the
# hypervisor, which is charged to the process that does so: more than the event
# it measures, and only where the other core happens to have nothing to do.
#
#   my $awake = Bench::Awake->new;      # as long as it lives
#
# The kernel's PM QoS interface does this: idle states that take more than the
# given microseconds to leave are not entered while the file is open.  Source:
# Documentation/power/pm_qos_interface.rst of Linux.

use strict;
use warnings;

my $DEVICE = '/dev/cpu_dma_latency';


sub new {
    my ($class) = @_;

    my $self = bless {}, $class;
    if (open my $file, '+<:raw', $DEVICE) {
        $self->{file} = $file if syswrite $file, pack 'l', 0;
    }
    return $self;
}


sub how {
    my ($self) = @_;
    return $self->{file} ? 'idle cores poll'
        : "idle cores may halt ($DEVICE: not to be written), so that ratios"
            . ' hold the cost of waking them';
}

1;
