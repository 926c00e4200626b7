"""What is wrong and what to do first: pure rules over the evidence of one job. docs/doctor.md states each of them."""
