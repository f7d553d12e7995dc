mod capture;
mod control;
