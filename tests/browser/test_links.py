"""What a person moves, draws or clicks in one picture changes the others."""

from support.made_runs import exploding

from browser.conftest import Open

SLIDE = """value => {
  const slider = document.querySelector('input[type=range]');
  slider.value = value;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""
